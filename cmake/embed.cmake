# waggle_embed(TARGET NAMESPACE file...): compiles data files into TARGET as
# `std::span<const EmbeddedFile> NAMESPACE::embedded_files()` (src/base/embedded.h).
function(waggle_embed target namespace)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${target}_embedded.cpp)
  add_custom_command(
    OUTPUT ${out}
    COMMAND python3 ${CMAKE_SOURCE_DIR}/tools/embed.py ${namespace} ${CMAKE_SOURCE_DIR} ${out} ${ARGN}
    DEPENDS ${ARGN} ${CMAKE_SOURCE_DIR}/tools/embed.py
    VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
