# One library for each folder of src/, with its true dependencies.
#
#   keelson_library(log DEPENDS base env)           sources: every .cc of the folder but *_test.cc
#   keelson_test(log DEPENDS sim)                   tests: every *_test.cc of the folder, as target test_log
#
# A folder's name is its path with '_' for '/': engine/kv is engine_kv.

function(keelson_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  add_library(keelson_${name} STATIC ${sources})
  target_include_directories(keelson_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  list(TRANSFORM ARG_DEPENDS PREPEND keelson_)
  target_link_libraries(keelson_${name} PUBLIC ${ARG_DEPENDS} PRIVATE ${ARG_LINK})
endfunction()

function(keelson_test name)
  if(NOT KEELSON_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_test.cc)
  if(NOT sources)
    return()
  endif()
  add_executable(test_${name} ${sources})
  list(TRANSFORM ARG_DEPENDS PREPEND keelson_)
  target_link_libraries(test_${name} PRIVATE keelson_${name} ${ARG_DEPENDS} ${ARG_LINK} GTest::gtest_main)
  add_test(NAME unit_${name} COMMAND test_${name})
endfunction()
