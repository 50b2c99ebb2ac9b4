# waggle_bpf(TARGET room.bpf.c): compiles the kernel side, links it with `bpftool gen object` (which
# normalises BTF from every clang) and gives TARGET the header <room>.skel.h.
find_program(BPF_CLANG NAMES clang-19 clang-18 clang-17 clang-16 clang-15 clang-14 clang REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin /sbin REQUIRED)

function(waggle_bpf target source)
  get_filename_component(name ${source} NAME_WE)
  set(src ${CMAKE_CURRENT_SOURCE_DIR}/${source})
  set(dir ${CMAKE_CURRENT_BINARY_DIR})
  file(GLOB bpf_headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bpf/*.h)
  file(GLOB event_headers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.event.h ${CMAKE_CURRENT_SOURCE_DIR}/*.bpf.h)
  add_custom_command(
    OUTPUT ${dir}/${name}.skel.h
    COMMAND ${BPF_CLANG} -g -O2 -Wall -Werror -target bpf -mcpu=v3 -D__TARGET_ARCH_x86
            -I${CMAKE_SOURCE_DIR} -I${CMAKE_SOURCE_DIR}/bpf -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
            -ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -c ${src} -o ${dir}/${name}.tmp.o
    COMMAND ${BPFTOOL} gen object ${dir}/${name}.bpf.o ${dir}/${name}.tmp.o
    COMMAND ${BPFTOOL} gen skeleton ${dir}/${name}.bpf.o name ${name}_bpf > ${dir}/${name}.skel.h
    COMMAND sed -i "s/ _Bool / bool /" ${dir}/${name}.skel.h # bpftool writes C; this is read as C++
    DEPENDS ${src} ${bpf_headers} ${event_headers}
    VERBATIM)
  add_custom_target(${name}_skel DEPENDS ${dir}/${name}.skel.h)
  add_dependencies(${target} ${name}_skel)
  target_include_directories(${target} PRIVATE ${dir})
endfunction()
