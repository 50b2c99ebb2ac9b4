# waggle_room(NAME): one folder below sensors/ becomes
#   room_NAME             the library: NAME.cpp with the kernel side NAME.bpf.c, where it has one, as a skeleton
#   NAME_test             NAME_test.cpp: recorded bytes to rows, no root
#   NAME_kernel_test      NAME_kernel_test.cpp: a known workload to the rows it must give
# and joins the product's list of rooms. EXAMPLE: built and tested, but not in the product.
# Further sources and tests in the folder (NAME_*.cpp, NAME_*_test.cpp) are taken along.
function(waggle_room name)
  cmake_parse_arguments(arg "EXAMPLE" "" "" ${ARGN})
  add_subdirectory(${name})
  if(NOT arg_EXAMPLE)
    set_property(GLOBAL APPEND PROPERTY WAGGLE_ROOMS ${name})
  endif()
endfunction()

# Called by the room's own CMakeLists.txt. TESTED_BY_COMMANDS: its kernel test drives the program, and runs here only.
# TESTED_ALONE: its kernel test is a program of its own always.
function(waggle_room_library name)
  cmake_parse_arguments(arg "TESTED_BY_COMMANDS;TESTED_ALONE" "" "SOURCES" ${ARGN})
  set(alone "")
  if(arg_TESTED_ALONE)
    set(alone ALONE)
  endif()
  waggle_library(room_${name} SOURCES ${name}.cpp ${arg_SOURCES} LINKS waggle_sensing)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${name}.bpf.c)
    waggle_bpf(room_${name} ${name}.bpf.c)
  endif()
  waggle_test(${name}_test SOURCES ${name}_test.cpp LINKS room_${name})
  if(arg_TESTED_BY_COMMANDS)
    waggle_command_test(${name}_kernel_test SOURCES ${name}_kernel_test.cpp LINKS room_${name})
  else()
    waggle_kernel_test(${name}_kernel_test ${alone} SOURCES ${name}_kernel_test.cpp LINKS room_${name})
  endif()
endfunction()

# The list of rooms as code: rooms.h's rooms().
function(waggle_rooms_library)
  get_property(names GLOBAL PROPERTY WAGGLE_ROOMS)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/rooms.cpp)
  set(declarations "")
  set(entries "")
  set(libraries "")
  set(rules "")
  set(first 0)
  foreach(name ${names})
    string(APPEND declarations "extern const Source ${name}_source;\n")
    set(room ${CMAKE_CURRENT_SOURCE_DIR}/${name})
    file(GLOB files CONFIGURE_DEPENDS ${room}/views.yaml ${room}/lists.yaml ${room}/words.*.yaml
      ${room}/rules/*.yaml)
    list(LENGTH files count)
    string(APPEND entries "    {${name}_source, rules::embedded_files().subspan(${first}, ${count})},\n")
    list(APPEND libraries room_${name})
    list(APPEND rules ${files})
    math(EXPR first "${first} + ${count}")
  endforeach()
  file(CONFIGURE OUTPUT ${out} CONTENT [[
#include <vector>
#include "sensors/rooms.h"
namespace waggle::sensors::rules { std::span<const EmbeddedFile> embedded_files(); }
namespace waggle::sensors {
@declarations@
std::span<const Room> rooms() {
    static const std::vector<Room> all = {
@entries@    };
    return all;
}
}  // namespace waggle::sensors
]] @ONLY)
  waggle_library(waggle_sensors SOURCES ${out} LINKS waggle_model ${libraries})
  waggle_embed(waggle_sensors waggle::sensors::rules ${rules})
endfunction()
