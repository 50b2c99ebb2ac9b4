# One interface target carries every flag, so that all folders compile alike.
add_library(waggle_flags INTERFACE)
target_compile_options(waggle_flags INTERFACE -Wall -Wextra -Wconversion -Wno-sign-conversion -Werror)
if(WAGGLE_UNITY)
  # What concerns one file is asked of the release, which compiles each by itself.
  target_compile_options(waggle_flags INTERFACE -Wno-subobject-linkage)
  set(CMAKE_UNITY_BUILD_BATCH_SIZE 8)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    target_compile_options(waggle_flags INTERFACE -Wshadow=local) # names of another file hide nothing here
  endif()
else()
  target_compile_options(waggle_flags INTERFACE -Wshadow)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  # libstdc++ 12 calls its own deprecated get_temporary_buffer in stable_sort; clang says so where we call that.
  # LIBBPF_OPTS leaves fields out on purpose.
  target_compile_options(waggle_flags INTERFACE
    -Wno-deprecated-declarations -Wno-unknown-warning-option -Wno-missing-designated-field-initializers)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # g++ 12 sees overflows inside inlined vectors and strings that cannot happen (GCC bugs 105329, 105651, 107852).
  # AddressSanitizer looks for the real ones.
  target_compile_options(waggle_flags INTERFACE -Wno-stringop-overflow -Wno-stringop-overread -Wno-restrict -Wno-array-bounds)
  # By default the compiler tidies its memory from 128 MB on, which takes a tenth of its time.
  target_compile_options(waggle_flags INTERFACE "SHELL:--param ggc-min-heapsize=400000")
endif()
find_program(MOLD mold) # a linker that takes a tenth of the time, where it is there
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()
if(WAGGLE_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  add_compile_definitions(WAGGLE_SANITIZED) # for tests that measure time or memory
  add_link_options(-fsanitize=address,undefined)
endif()
if(WAGGLE_COVERAGE)
  add_compile_options(-fprofile-arcs -ftest-coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()
if(WAGGLE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_package(PkgConfig REQUIRED)
pkg_check_modules(libbpf REQUIRED IMPORTED_TARGET libbpf>=1.1)
find_package(fmt REQUIRED)

# waggle_share_headers(TARGET SHARED FLAGS LINKS header...): where files are compiled together, and what each includes is not the
# question, the outside headers that nearly all of them include are compiled once for every TARGET with the same FLAGS
# and what else LINKS define.
function(waggle_share_headers target shared flags links)
  if(NOT WAGGLE_UNITY)
    return()
  endif()
  if(NOT TARGET ${shared})
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/${shared}.cpp CONTENT "")
    add_library(${shared} OBJECT ${CMAKE_BINARY_DIR}/${shared}.cpp)
    target_link_libraries(${shared} PRIVATE fmt::fmt ${links} waggle_flags)
    target_compile_options(${shared} PRIVATE ${flags})
    target_precompile_headers(${shared} PRIVATE <algorithm> <chrono> <filesystem> <functional> <map> <memory> <optional> <string>
      <thread> <variant> <vector> <fmt/format.h> ${ARGN})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${shared})
endfunction()

# Sanitizers take as long to compile as to run: only what tests and fuzzing spend their time in is optimised under them.
set(WAGGLE_BUSY waggle_base waggle_binary waggle_verifier waggle_model waggle_query waggle_explain waggle_events waggle_recording waggle_store)

# waggle_library(NAME SOURCES a.cpp ... LINKS x y): one static library per folder, every .cpp named.
function(waggle_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC ${arg_LINKS} PRIVATE $<BUILD_INTERFACE:waggle_flags> ${arg_PRIVATE_LINKS})
  set_target_properties(${name} PROPERTIES UNITY_BUILD ${WAGGLE_UNITY})
  set(level "")
  if(WAGGLE_SANITIZE AND name IN_LIST WAGGLE_BUSY)
    set(level -O1)
  endif()
  target_compile_options(${name} PRIVATE ${level})
  waggle_share_headers(${name} waggle_headers${level} "${level}" "")
endfunction()
