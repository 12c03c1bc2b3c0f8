# SPDX-License-Identifier: Apache-2.0
# tenfold_library(FOLDER LINK ...): one static library tenfold_<folder> of all sources in the calling folder.
# tenfold_test(NAME SOURCES ... LINK ... LABELS ...): one GoogleTest program, found by ctest case by case.

function(tenfold_library name)
  cmake_parse_arguments(ARG "" "" "LINK;PRIVATE_LINK;EXCLUDE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  foreach(pattern IN LISTS ARG_EXCLUDE)
    list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/${pattern})
  endforeach()
  if(NOT sources)
    add_library(tenfold_${name} INTERFACE)
    return()
  endif()
  add_library(tenfold_${name} STATIC ${sources})
  target_include_directories(tenfold_${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
  target_link_libraries(tenfold_${name} PUBLIC ${ARG_LINK} PRIVATE ${ARG_PRIVATE_LINK})
endfunction()

# ONE_THREAD: small work, where two test programs with two threads each would mostly wait for one another.
function(tenfold_test name)
  cmake_parse_arguments(ARG "ONE_THREAD" "" "SOURCES;LINK;LABELS" ${ARGN})
  set(environment "")
  if(ARG_ONE_THREAD)
    set(environment "ENVIRONMENT OMP_NUM_THREADS=1")
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest GTest::gmock GTest::gtest_main)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_definitions(${name} PRIVATE TENFOLD_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                             TENFOLD_BINARY_DIR="${PROJECT_BINARY_DIR}")
  gtest_discover_tests(${name} NO_PRETTY_VALUES DISCOVERY_TIMEOUT 60)
  # gtest_discover_tests itself cannot pass on more than one label.
  set(labels_file ${CMAKE_CURRENT_BINARY_DIR}/${name}_labels.cmake)
  file(CONFIGURE OUTPUT ${labels_file} @ONLY CONTENT "if(@name@_TESTS)
  set_tests_properties(\${@name@_TESTS} PROPERTIES LABELS \"@ARG_LABELS@\" @environment@)
endif()
")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${labels_file})
endfunction()
if(TENFOLD_TESTS)
  include(GoogleTest)
endif()
