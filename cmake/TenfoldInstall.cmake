# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` copies, in three components: `core` (headers and libtenfold_core, no LibTorch), `nn`
# (libtenfold_nn, needs LibTorch) and `program` (tenfold with its pages). CPack makes one .deb of them.
if(TENFOLD_SANITIZE OR NOT PROJECT_IS_TOP_LEVEL)
  return()
endif()
include(CMakePackageConfigHelpers)

# tenfold_shared(NAME PARTS ... LINK ...): libtenfold_<name>.so of whole static parts, exported as tenfold::<name>.
# PARTS from top to bottom, so that the linker sees each once. LINK: what the headers of the parts need, found again by
# tenfoldConfig.cmake.
function(tenfold_shared name)
  cmake_parse_arguments(ARG "" "" "PARTS;LINK" ${ARGN})
  set(empty ${CMAKE_CURRENT_BINARY_DIR}/shared_${name}.cc)  # CMake wants a source in every library
  file(CONFIGURE OUTPUT ${empty} CONTENT "// Generated: the code of libtenfold_${name} is in its parts.\n")
  add_library(tenfold_shared_${name} SHARED ${empty})
  set(parts "")
  foreach(part IN LISTS ARG_PARTS)
    get_target_property(type tenfold_${part} TYPE)
    if(type STREQUAL STATIC_LIBRARY)  # a folder without sources has nothing to bring
      list(APPEND parts tenfold_${part})
    endif()
  endforeach()
  list(JOIN parts "," whole)
  # LINK first: what it has already is not taken from the parts again.
  target_link_libraries(tenfold_shared_${name} PUBLIC ${ARG_LINK})
  target_link_libraries(tenfold_shared_${name} PRIVATE ${parts})
  target_compile_features(tenfold_shared_${name} INTERFACE cxx_std_20)
  set_target_properties(tenfold_shared_${name} PROPERTIES
    LINK_LIBRARY_OVERRIDE "WHOLE_ARCHIVE,${whole}"
    OUTPUT_NAME tenfold_${name} EXPORT_NAME ${name} LINKER_LANGUAGE CXX
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} INSTALL_RPATH "\$ORIGIN")
  install(TARGETS tenfold_shared_${name} EXPORT tenfold_${name}_targets COMPONENT ${name}
          INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT tenfold_${name}_targets FILE tenfold-${name}-targets.cmake NAMESPACE tenfold::
          DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tenfold COMPONENT ${name})
endfunction()

tenfold_shared(core PARTS registry compute_trends_verbs compute_trends forward_gradient_functions repconc_runtime dsi_docids dsi_runtime retrieval_runtime systems report search kernels text io config base
               LINK fmt::fmt nlohmann_json::nlohmann_json)
if(TENFOLD_WITH_TORCH)
  tenfold_shared(nn PARTS train nn data LINK tenfold_shared_core ${TORCH_LIBRARIES})
endif()

set(torch_headers "/(data|nn|train|torch)(/|$)")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/tenfold DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT core
        FILES_MATCHING PATTERN "*.h" PATTERN cli EXCLUDE REGEX ${torch_headers} EXCLUDE)
if(TENFOLD_WITH_TORCH)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/tenfold/data ${PROJECT_SOURCE_DIR}/src/tenfold/nn
                    ${PROJECT_SOURCE_DIR}/src/tenfold/train
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tenfold COMPONENT nn
          FILES_MATCHING PATTERN "*.h")
endif()

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/tenfoldConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/tenfoldConfig.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tenfold)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/tenfoldConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/tenfoldConfig.cmake ${PROJECT_BINARY_DIR}/tenfoldConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tenfold COMPONENT core)
# Relative, so that the installed tree may be moved and CPack may choose another prefix.
file(RELATIVE_PATH pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/packaging/tenfold-core.pc.in ${PROJECT_BINARY_DIR}/tenfold-core.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/tenfold-core.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT core)

# The program finds its parts in ../<libdir>/tenfold (src/tenfold/cli/launcher.cc).
install(TARGETS tenfold_launcher RUNTIME COMPONENT program)
install(TARGETS tenfold_app_core LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/tenfold COMPONENT program)
if(TENFOLD_WITH_TORCH)
  install(TARGETS tenfold_app LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/tenfold COMPONENT program)
endif()
# All that is installed: `make build` and `make demo` build this, without the tests.
add_custom_target(program)
add_dependencies(program tenfold_launcher tenfold_app_core tenfold_shared_core)
if(TENFOLD_WITH_TORCH)
  add_dependencies(program tenfold_app tenfold_shared_nn)
endif()
set(pages ${PROJECT_BINARY_DIR}/share)
install(FILES ${pages}/man/man1/tenfold.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT program OPTIONAL)
install(FILES ${pages}/completions/tenfold.bash RENAME tenfold
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT program OPTIONAL)
install(FILES ${pages}/completions/_tenfold
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions COMPONENT program OPTIONAL)
install(FILES ${pages}/completions/tenfold.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT program OPTIONAL)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/NOTICE
        DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT core)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME tenfold)
set(CPACK_PACKAGE_VENDOR "Tenfold developers")
set(CPACK_PACKAGE_CONTACT "Tenfold developers")
set(CPACK_PACKAGE_FILE_NAME tenfold_${PROJECT_VERSION})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "A library and one program, tenfold: fits the growth of training compute,
estimates the cost of a training run and measures this machine.")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/lib)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "gnuplot-nox, libopenblas0-openmp")  # the library: SHLIBDEPS adds what is linked
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "libfmt-dev, nlohmann-json3-dev, libtorch-dev")
include(CPack)
