# What is built. A guest that adds this project with add_subdirectory gets the library only.
option(PAGEALLOC_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(PAGEALLOC_BENCHMARKS "Build the micro-benchmarks beside the code" ${PROJECT_IS_TOP_LEVEL})
option(PAGEALLOC_HARNESS "Build pagealloc-bench" ${PROJECT_IS_TOP_LEVEL})
option(PAGEALLOC_FUZZ "Build the corpus replay programs, and with clang the fuzz targets"
       ${PROJECT_IS_TOP_LEVEL})
option(PAGEALLOC_FUZZ_COMPARISONS
       "Fuzz targets record the values they compare, which -use_value_profile=1 needs" OFF)
option(PAGEALLOC_CHECKED "Check the library's own invariants (PA_ASSERT) in this build" OFF)
option(PAGEALLOC_PCH "With clang, read GoogleTest's and heavy standard headers once for all tests" OFF)
option(PAGEALLOC_JOINT "Compile several sources of the harness as one text" OFF)
set(PAGEALLOC_QUICK_FLAGS "" CACHE STRING
    "Flags, after the build type's, for what takes longer to compile than to run")
set(PAGEALLOC_TEST_FLAGS "" CACHE STRING "The same for tests that do not compute for seconds")
set(PAGEALLOC_GTEST_SOURCE "" CACHE PATH "Build GoogleTest from this folder instead of finding it")
set(PAGEALLOC_SANITIZE "" CACHE STRING "Sanitizers for the whole build, as -fsanitize= takes them")

# Options of this project's own targets; never exported.
add_library(pagealloc_build_options INTERFACE)
target_compile_options(pagealloc_build_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Wold-style-cast -Wcast-align -Wunused -Woverloaded-virtual -Werror)

# pagealloc_compile_quickly(TARGET): what is neither measured nor busy for seconds.
separate_arguments(PAGEALLOC_QUICK_FLAGS)
separate_arguments(PAGEALLOC_TEST_FLAGS)
function(pagealloc_compile_quickly target)
  target_compile_options(${target} PRIVATE ${PAGEALLOC_QUICK_FLAGS})
endfunction()

if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_CXX_STANDARD 20)
  set(CMAKE_CXX_STANDARD_REQUIRED ON)
  set(CMAKE_CXX_EXTENSIONS OFF)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  if(PAGEALLOC_SANITIZE)
    add_compile_options(-fsanitize=${PAGEALLOC_SANITIZE} -fno-omit-frame-pointer
                        -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${PAGEALLOC_SANITIZE})
  endif()
  if(PAGEALLOC_TESTS)
    enable_testing()
  endif()
endif()
