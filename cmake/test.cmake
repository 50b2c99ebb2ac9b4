# waggle_test(NAME SOURCES ... LINKS ...): unit and replay tests, no root, no kernel. Label: unit.
# waggle_kernel_test(...): needs root and a kernel; runs here and, with the same binary, in both VMs. Label: kernel.
# waggle_command_test(...): the same of what is the program's own on any kernel: its commands, threads, files. Here only,
#   because an emulated machine takes twenty times as long; what they drive has kernel tests of its own. Label: kernel.
find_package(GTest REQUIRED)

function(waggle_add_test name label timeout)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINKS} fmt::fmt GTest::gmock GTest::gtest_main waggle_flags)
  # A test's own code is compiled soon, not made fast: half of a build's time. What it tests is as it is released.
  set(level -O1)
  if(label STREQUAL unit OR WAGGLE_SANITIZE)
    set(level -O0)
  endif()
  target_compile_options(${name} PRIVATE ${level})
  waggle_share_headers(${name} waggle_test_headers${level} ${level} GTest::gmock <gmock/gmock.h>)
  target_compile_definitions(${name} PRIVATE WAGGLE_SOURCE_DIR="${CMAKE_SOURCE_DIR}" WAGGLE_BINARY_DIR="${CMAKE_BINARY_DIR}")
  add_test(NAME ${name} COMMAND ${name})
  if(WAGGLE_SANITIZE)
    math(EXPR timeout "${timeout} * 6")
  endif()
  # A test that was not run has not passed.
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${timeout}
    FAIL_REGULAR_EXPRESSION "\\[  SKIPPED \\];DISABLED TEST")
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
  set_property(GLOBAL APPEND PROPERTY WAGGLE_KERNEL_TESTS ${name})
endfunction()
