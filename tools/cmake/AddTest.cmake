# pagealloc_add_test(NAME SOURCES... [LIBS libs...] [LABELS labels...] [TIMEOUT seconds]
#                    [HOST_BITS bits])
# A GoogleTest program, one ctest entry for the whole program. Where addresses are narrower than
# HOST_BITS it is not built, and ctest names it among the tests that did not run.
#
# Labels that tools/test knows: "full" (only with --full), "optimised" (too long, or without meaning, under sanitizers),
# "threads" (run under ThreadSanitizer), "corpus" (replay of corpora/: run in every preset), "heavy"
# (takes a minute to compile, and says little about the host: not in the target m32_tests).
#
# PAGEALLOC_GTEST_SOURCE: GoogleTest is built from there. Debian's library is for its own architecture.
if(PAGEALLOC_TESTS AND PAGEALLOC_GTEST_SOURCE)
  set(INSTALL_GTEST OFF)
  add_subdirectory(${PAGEALLOC_GTEST_SOURCE} googletest EXCLUDE_FROM_ALL SYSTEM)
elseif(PAGEALLOC_TESTS)
  find_package(GTest 1.12 REQUIRED)
endif()
add_custom_target(thread_tests COMMENT "Building the tests that have threads")
add_custom_target(m32_tests COMMENT "Building the tests that are not labelled heavy")
add_custom_target(unoptimised_tests COMMENT "Building the tests that are not labelled optimised")

# What libraries of others leak is theirs.
set(lsan_options suppressions=${CMAKE_CURRENT_LIST_DIR}/lsan_suppressions.txt:print_suppressions=0)

function(pagealloc_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT;HOST_BITS" "LIBS;LABELS")
  math(EXPR host_bits "8 * ${CMAKE_SIZEOF_VOID_P}")
  if(arg_HOST_BITS GREATER host_bits)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES DISABLED TRUE)
    return()
  endif()
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${arg_LIBS} pagealloc_build_options GTest::gmock
                        GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
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
    # Compiling takes half as long as with -O3, and running about as long.
    target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  endif()
endfunction()
