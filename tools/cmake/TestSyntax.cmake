# cmake -D FOLDER=... -D HEADERS=a.h,b.h -D COMPILERS=g++,clang++ -P TestSyntax.cmake
# Every header in FOLDER/pagealloc is installed, and compiles alone, and every source of the library
# compiles: without exceptions and run-time type information, checked and not, with every compiler named.

string(REPLACE "," ";" HEADERS "${HEADERS}")
string(REPLACE "," ";" COMPILERS "${COMPILERS}")
file(GLOB present RELATIVE ${FOLDER} ${FOLDER}/pagealloc/*.h)
list(TRANSFORM HEADERS REPLACE "^${FOLDER}/" "")
list(SORT HEADERS)
list(SORT present)
if(NOT "${HEADERS}" STREQUAL "${present}")
  message(FATAL_ERROR "headers in the file set of the target pagealloc:\n  ${HEADERS}\n"
                      "headers in ${FOLDER}/pagealloc:\n  ${present}")
endif()
file(GLOB sources ${FOLDER}/pagealloc/*.cc)
list(FILTER sources EXCLUDE REGEX "_(test|benchmark)\\.cc$")

set(failed 0)
set(compiled 0)
foreach(compiler IN LISTS COMPILERS)
  foreach(checked 0 1)
    foreach(file IN LISTS HEADERS sources)
      set(input -include ${file} -x c++ /dev/null)
      if(file MATCHES "\\.cc$")
        set(input ${file})
      endif()
      execute_process(
        COMMAND ${compiler} -std=c++20 -fsyntax-only -fno-exceptions -fno-rtti -Wall -Wextra
                -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Werror
                -DPAGEALLOC_CHECKED=${checked} -I ${FOLDER} ${input}
        RESULT_VARIABLE status ERROR_VARIABLE text)
      math(EXPR compiled "${compiled} + 1")
      if(status)
        math(EXPR failed "${failed} + 1")
        message("${compiler}, PAGEALLOC_CHECKED=${checked}: ${file} does not compile alone:\n${text}")
      endif()
    endforeach()
  endforeach()
endforeach()
if(failed OR compiled EQUAL 0)
  message(FATAL_ERROR "${failed} of ${compiled} compilations failed")
endif()
message("${compiled} compilations")
