# What find_package(waggle) reads: gives the targets waggle::engine and waggle::explain.
include(CMakeFindDependencyMacro)
find_dependency(fmt)
find_dependency(SQLite3)
find_dependency(PkgConfig)
pkg_check_modules(libbpf REQUIRED IMPORTED_TARGET libbpf>=1.1)
pkg_check_modules(libyaml REQUIRED IMPORTED_TARGET yaml-0.1)
include(${CMAKE_CURRENT_LIST_DIR}/waggle-targets.cmake)
