# The installed layout (README.md, "Installing"); everything below the prefix can be moved.
include(CMakePackageConfigHelpers)

# where programs with the static library look for tine-helper, unless it is installed elsewhere (below)
cmake_path(ABSOLUTE_PATH TINE_INSTALL_LUACDIR BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}
  OUTPUT_VARIABLE helper_dir)
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/worker/root/find_helper.c PROPERTIES
  COMPILE_DEFINITIONS "TINE_HELPER_DIR=\"${helper_dir}/tine\"")

install(FILES ${lua_files} DESTINATION ${TINE_INSTALL_LUADIR}/tine COMPONENT lua)
install(TARGETS tine_module LIBRARY DESTINATION ${TINE_INSTALL_LUACDIR}/tine COMPONENT lua)
install(TARGETS tine_helper RUNTIME DESTINATION ${TINE_INSTALL_LUACDIR}/tine COMPONENT lua)
install(TARGETS tine_program RUNTIME DESTINATION ${TINE_INSTALL_BINDIR})

if(TINE_INSTALL_LIBRARY)
  set(tine_pc_lua ${LUA_MODULE_NAME})
  set(tine_pc_msgpack ${MSGPACK_MODULE_NAME})
  if(TINE_SODIUM)
    set(tine_pc_sodium libsodium)
  endif()
  set(tine_package_dir lib/cmake/tine)

  install(FILES docs/tine.1 docs/tine-map.1 docs/tine-top.1 docs/tine-serve.1 DESTINATION share/man/man1)
  install(FILES LICENSE DESTINATION share/doc/tine RENAME copyright)
  install(FILES completion/tine.bash DESTINATION share/bash-completion/completions RENAME tine)
  install(FILES completion/_tine DESTINATION share/zsh/site-functions)
  install(FILES completion/tine.fish DESTINATION share/fish/vendor_completions.d)
  file(GLOB pages ${CMAKE_SOURCE_DIR}/docs/*.md ${CMAKE_SOURCE_DIR}/docs/*.png)
  install(FILES ${pages} DESTINATION share/doc/tine)
  install(DIRECTORY examples DESTINATION share/doc/tine)
  install(DIRECTORY types/ DESTINATION share/tine/types)
  target_include_directories(tine_shared INTERFACE $<INSTALL_INTERFACE:include>)
  target_include_directories(tine_static INTERFACE $<INSTALL_INTERFACE:include>)
  install(TARGETS tine_shared tine_static EXPORT tineTargets
    LIBRARY DESTINATION lib ARCHIVE DESTINATION lib)
  install(CODE "
    get_filename_component(prefix \"\${CMAKE_INSTALL_PREFIX}\" ABSOLUTE)
    get_filename_component(folder \"${TINE_INSTALL_LUACDIR}/tine\" ABSOLUTE BASE_DIR \"\${prefix}\")
    execute_process(COMMAND \"$<TARGET_FILE:tine_program>\" -E \"${CMAKE_SOURCE_DIR}/cmake/place_helper.lua\"
        \"\$ENV{DESTDIR}\${prefix}/lib/libtine.a\" \"\${folder}\"
      RESULT_VARIABLE failed)
    if(failed)
      message(WARNING \"programs with libtine.a will find tine-helper by TINE_HELPER only\")
    endif()")
  file(GLOB public_headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/include/*.h)
  install(FILES ${public_headers} DESTINATION include)

  configure_file(cmake/tine.pc.in generated/tine.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/generated/tine.pc DESTINATION lib/pkgconfig)

  configure_package_config_file(cmake/tineConfig.cmake.in generated/tineConfig.cmake
    INSTALL_DESTINATION ${tine_package_dir} NO_SET_AND_CHECK_MACRO)
  write_basic_package_version_file(generated/tineConfigVersion.cmake
    COMPATIBILITY SameMajorVersion)
  install(FILES ${CMAKE_BINARY_DIR}/generated/tineConfig.cmake
    ${CMAKE_BINARY_DIR}/generated/tineConfigVersion.cmake DESTINATION ${tine_package_dir})
  install(EXPORT tineTargets NAMESPACE tine:: DESTINATION ${tine_package_dir})
endif()
