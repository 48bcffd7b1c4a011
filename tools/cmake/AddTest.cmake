# pagealloc_add_test(NAME SOURCES... [LIBS libs...] [LABELS labels...] [TIMEOUT seconds]
#                    [HOST_BITS bits] [BUSY])
# A GoogleTest program, one ctest entry for the whole program. Where addresses are narrower than
# HOST_BITS it is not built, and ctest names it among the tests that did not run. BUSY: it computes
# for seconds, so that it is optimised; others have PAGEALLOC_TEST_FLAGS.
#
# Labels that tools/test knows: "full" (only with --full), "optimised" (too long, or without meaning, under sanitizers),
# "sanitized" (the same optimised or not: run under sanitizers, elsewhere only with --full), "threads" (run under
# ThreadSanitizer), "corpus" (replay of corpora/: the step fuzz does so, too), "heavy"
# (takes a minute to compile, and says little about the host: not in the target m32_tests).
# PAGEALLOC_TEST_LABELS: labels of all tests of a folder, but of those labelled "optimised".
#
# PAGEALLOC_GTEST_SOURCE: GoogleTest is built from there. Debian's library is for its own architecture.
if(PAGEALLOC_TESTS AND PAGEALLOC_GTEST_SOURCE)
  set(INSTALL_GTEST OFF)
  add_subdirectory(${PAGEALLOC_GTEST_SOURCE} googletest EXCLUDE_FROM_ALL SYSTEM)
  foreach(name gtest gtest_main gmock)
    pagealloc_compile_quickly(${name})
  endforeach()
elseif(PAGEALLOC_TESTS)
  find_package(GTest 1.12 REQUIRED)
endif()
add_custom_target(thread_tests COMMENT "Building the tests that have threads")
add_custom_target(m32_tests COMMENT "Building the tests that are not labelled heavy")
add_custom_target(optimised_tests COMMENT "Building the tests that are not labelled sanitized")
add_custom_target(unoptimised_tests COMMENT "Building the tests that are not labelled optimised")

# The headers that most of a test's compile time goes to, read once. Only clang gains by it (g++ 12 a
# tenth), and the presets without it see that every test includes what it needs.
if(PAGEALLOC_TESTS AND PAGEALLOC_PCH AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/test_headers.cc CONTENT "// Nothing: its headers count.\n")
  add_library(pagealloc_test_headers OBJECT ${CMAKE_BINARY_DIR}/test_headers.cc)
  # As a test is compiled, or clang refuses it. Without a time in it ccache can know it again.
  target_compile_definitions(pagealloc_test_headers
    PRIVATE PAGEALLOC_CHECKED=$<BOOL:${PAGEALLOC_CHECKED}>)
  target_compile_options(pagealloc_test_headers PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  target_link_libraries(pagealloc_test_headers PRIVATE pagealloc_build_options GTest::gmock)
  target_compile_options(pagealloc_test_headers PRIVATE ${PAGEALLOC_TEST_FLAGS})
  target_precompile_headers(pagealloc_test_headers PRIVATE
    <gmock/gmock.h> <gtest/gtest.h>
    <algorithm> <array> <atomic> <chrono> <filesystem> <fstream> <functional> <map> <memory> <mutex>
    <optional> <random> <set> <span> <sstream> <string> <string_view> <thread> <unordered_map>
    <vector>)
  if(PAGEALLOC_HARNESS)
    target_precompile_headers(pagealloc_test_headers PRIVATE <nlohmann/json.hpp>)
  endif()
endif()

# What libraries of others leak is theirs.
set(lsan_options suppressions=${CMAKE_CURRENT_LIST_DIR}/lsan_suppressions.txt:print_suppressions=0)

function(pagealloc_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "BUSY" "TIMEOUT;HOST_BITS" "LIBS;LABELS")
  math(EXPR host_bits "8 * ${CMAKE_SIZEOF_VOID_P}")
  if(arg_HOST_BITS GREATER host_bits)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES DISABLED TRUE)
    return()
  endif()
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  set_target_properties(${name} PROPERTIES UNITY_BUILD OFF)
  target_link_libraries(${name} PRIVATE ${arg_LIBS} pagealloc_build_options GTest::gmock
                        GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  if(NOT "optimised" IN_LIST arg_LABELS)
    list(APPEND arg_LABELS ${PAGEALLOC_TEST_LABELS})
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}"
    ENVIRONMENT "GTEST_BRIEF=1;UBSAN_OPTIONS=print_stacktrace=1;LSAN_OPTIONS=${lsan_options}")
  if("threads" IN_LIST arg_LABELS)
    add_dependencies(thread_tests ${name})
  endif()
  if(NOT "heavy" IN_LIST arg_LABELS)
    add_dependencies(m32_tests ${name})
  endif()
  if(NOT "optimised" IN_LIST arg_LABELS)
    add_dependencies(unoptimised_tests ${name})
  endif()
  if(NOT "sanitized" IN_LIST arg_LABELS)
    add_dependencies(optimised_tests ${name})
  endif()
  if(arg_BUSY AND NOT PAGEALLOC_SANITIZE)
    pagealloc_compile_quickly(${name})
  elseif(NOT (arg_BUSY OR "optimised" IN_LIST arg_LABELS))
    target_compile_options(${name} PRIVATE ${PAGEALLOC_TEST_FLAGS})
    if(TARGET pagealloc_test_headers)
      target_precompile_headers(${name} REUSE_FROM pagealloc_test_headers)
    endif()
  endif()
endfunction()
