# waggle_test(NAME SOURCES ... LINKS ...): unit and replay tests, no root, no kernel. Label: unit.
# waggle_kernel_test(...): needs root and a kernel; runs here and, with the same binary, in both VMs. Label: kernel.
# waggle_command_test(...): the same of what is the program's own on any kernel: its commands, threads, files. Here only,
#   because an emulated machine takes twenty times as long; what they drive has kernel tests of its own. Label: kernel.
# Besides: BPF x.bpf.c, of which the test includes x.skel.h; NEEDS targets, which are built before.
#
# Where files are compiled together, so are the tests of a label, in half of the time: one program, of which each test
# runs its own suites. ALONE: one that has a main() of its own, or reads its own file, stays a program of its own; so do
# those whose names match WAGGLE_TESTS_ALONE, for who works on them.
find_package(GTest REQUIRED)
configure_file(${CMAKE_CURRENT_LIST_DIR}/places.h.in ${CMAKE_BINARY_DIR}/places/places.h @ONLY)

# A test's own code is compiled soon, not made fast: half of a build's time. What it tests is as it is released.
# What behaves undefined and what is covered is asked of the product: a third of the time. What a test makes of the
# product's headers is looked at in the program, in the fuzz targets and at night.
function(waggle_test_program name level)
  set(flags ${level})
  if(NOT WAGGLE_SANITIZE_TESTS)
    if(WAGGLE_SANITIZE)
      list(APPEND flags -fno-sanitize=undefined)
    endif()
    if(WAGGLE_COVERAGE)
      list(APPEND flags -fno-profile-arcs -fno-test-coverage)
    endif()
    if(WAGGLE_FUZZ)
      list(APPEND flags -fno-sanitize=fuzzer-no-link)
    endif()
  endif()
  add_executable(${name})
  target_link_libraries(${name} PRIVATE fmt::fmt GTest::gmock GTest::gtest_main PkgConfig::libbpf waggle_flags)
  target_compile_options(${name} PRIVATE ${flags})
  waggle_share_headers(${name} waggle_test_headers${level} "${flags}" GTest::gmock <gmock/gmock.h>)
  target_include_directories(${name} PRIVATE ${CMAKE_BINARY_DIR}/places)
endfunction()

# The test suites in these files, as a filter of GoogleTest. Each suite is of one ctest test.
function(waggle_suites_in filter program name)
  # A suite that is added or renamed is asked for again.
  set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ARGN})
  foreach(source ${ARGN})
    file(STRINGS ${source} heads REGEX "^TEST(_F|_P)?\\(")
    list(TRANSFORM heads REPLACE "^TEST(_F|_P)?\\( *([A-Za-z0-9_]+).*" "\\2")
    list(APPEND suites ${heads})
  endforeach()
  list(REMOVE_DUPLICATES suites)
  foreach(suite ${suites})
    get_property(of GLOBAL PROPERTY WAGGLE_SUITE_${program}_${suite})
    if(of)
      message(FATAL_ERROR "test suite ${suite} is in ${of} and in ${name}: give one of them another name")
    endif()
    set_property(GLOBAL PROPERTY WAGGLE_SUITE_${program}_${suite} ${name})
    list(APPEND patterns ${suite}.* */${suite}.*)
  endforeach()
  list(JOIN patterns : joined)
  set(${filter} ${joined} PARENT_SCOPE)
endfunction()

function(waggle_add_test name label timeout)
  cmake_parse_arguments(arg "ALONE" "" "SOURCES;LINKS;BPF;NEEDS" ${ARGN})
  set(level -O1)
  if(label STREQUAL unit OR WAGGLE_SANITIZE)
    set(level -O0)
  endif()
  if(WAGGLE_TESTS_ALONE AND name MATCHES "${WAGGLE_TESTS_ALONE}")
    set(arg_ALONE TRUE)
  endif()
  if(WAGGLE_UNITY AND NOT arg_ALONE)
    set(program ${label}_tests)
    list(TRANSFORM arg_SOURCES PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
    waggle_suites_in(filter ${program} ${name} ${arg_SOURCES})
    set(command ${program} --gtest_filter=${filter})
    add_custom_target(${name} ALL)
    add_dependencies(${name} ${program})
  else()
    set(program ${name})
    set(command ${program})
  endif()
  if(NOT TARGET ${program})
    waggle_test_program(${program} ${level})
    set_target_properties(${program} PROPERTIES UNITY_BUILD ${WAGGLE_UNITY})
    if(label STREQUAL kernel)
      set_target_properties(${program} PROPERTIES ENABLE_EXPORTS ON) # some probe a function of their own by its name
    endif()
  endif()
  target_sources(${program} PRIVATE ${arg_SOURCES})
  target_link_libraries(${program} PRIVATE ${arg_LINKS})
  foreach(source ${arg_BPF})
    waggle_bpf(${program} ${source})
  endforeach()
  if(arg_NEEDS)
    add_dependencies(${name} ${arg_NEEDS})
  endif()
  add_test(NAME ${name} COMMAND ${command})
  if(WAGGLE_SANITIZE)
    math(EXPR timeout "${timeout} * 6")
  endif()
  # A test that was not run has not passed.
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${timeout}
    FAIL_REGULAR_EXPRESSION "\\[  SKIPPED \\];DISABLED TEST;Running 0 tests")
  list(JOIN command " " line)
  set_property(GLOBAL PROPERTY WAGGLE_COMMAND_${name} "${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/${line}")
endfunction()

function(waggle_test name)
  waggle_add_test(${name} unit 120 ${ARGN})
endfunction()

function(waggle_command_test name)
  waggle_add_test(${name} kernel 300 ${ARGN})
  set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
endfunction()

function(waggle_kernel_test name)
  waggle_command_test(${name} ${ARGN})
  get_property(command GLOBAL PROPERTY WAGGLE_COMMAND_${name})
  set_property(GLOBAL APPEND PROPERTY WAGGLE_KERNEL_TESTS "${name} ${command}")
endfunction()
