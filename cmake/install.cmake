# `cmake --install` puts the program, and for authors of BPF programs the library with its headers, below the prefix. An outside
# project says find_package(waggle) and links waggle::engine.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Two archives; whoever links waggle::engine gets both.
set_property(TARGET waggle_base PROPERTY EXPORT_NAME base)
set_property(TARGET waggle_kernel PROPERTY EXPORT_NAME engine)
target_include_directories(waggle_base INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/waggle)
install(TARGETS waggle_base waggle_kernel EXPORT waggle ARCHIVE)
install(DIRECTORY include/waggle DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT waggle NAMESPACE waggle:: FILE waggle-targets.cmake DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/waggle-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES cmake/waggle-config.cmake ${CMAKE_BINARY_DIR}/waggle-config-version.cmake DESTINATION ${package})
