# pagealloc_add_test(NAME SOURCES... [LIBS libs...] [LABELS labels...] [TIMEOUT seconds])
# A GoogleTest program, one ctest entry for the whole program.
#
# Labels that tools/test knows: "optimised" (too long, or without meaning, under sanitizers),
# "threads" (run under ThreadSanitizer), "corpus" (replay of corpora/: run in every preset).
add_custom_target(thread_tests COMMENT "Building the tests that have threads")

function(pagealloc_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "LIBS;LABELS")
  find_package(GTest 1.12 REQUIRED)
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${arg_LIBS} pagealloc_build_options GTest::gmock
                        GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}"
    ENVIRONMENT "GTEST_BRIEF=1;UBSAN_OPTIONS=print_stacktrace=1")
  if("threads" IN_LIST arg_LABELS)
    add_dependencies(thread_tests ${name})
  endif()
endfunction()
