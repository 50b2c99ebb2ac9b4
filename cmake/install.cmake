# `cmake --install` puts the program, and for authors of BPF programs the library with its headers, below the prefix. An outside
# project says find_package(waggle) and links waggle::engine, or waggle::explain for rows in words.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The archives that the engine and the words are made of; whoever links waggle::engine or waggle::explain gets all.
set_property(TARGET waggle_base PROPERTY EXPORT_NAME base)
foreach(name binary verifier symbols engine model query events explain)
  set_property(TARGET waggle_${name} PROPERTY EXPORT_NAME ${name})
endforeach()
target_include_directories(waggle_base INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

# The faults of `waggle lab`; heal is a link in each folder.
install(DIRECTORY lab DESTINATION ${CMAKE_INSTALL_DATADIR}/waggle USE_SOURCE_PERMISSIONS)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/waggle)
install(TARGETS waggle_base waggle_binary waggle_verifier waggle_symbols waggle_engine waggle_model waggle_query waggle_events
  waggle_explain EXPORT waggle ARCHIVE)
install(DIRECTORY include/waggle DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT waggle NAMESPACE waggle:: FILE waggle-targets.cmake DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/waggle-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES cmake/waggle-config.cmake ${CMAKE_BINARY_DIR}/waggle-config-version.cmake DESTINATION ${package})
