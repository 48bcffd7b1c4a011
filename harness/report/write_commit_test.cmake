# Runs write_commit.cmake on a tree without git, then on a repository as commits and edits come.
# Without git only the first part can be tested, and is.
set(source ${FOLDER}/source)
set(output ${FOLDER}/commit.h)
file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${source})

function(expect pattern)
  execute_process(COMMAND ${CMAKE_COMMAND} -D SOURCE=${source} -D OUTPUT=${output} -P ${SCRIPT}
                  COMMAND_ERROR_IS_FATAL ANY)
  file(READ ${output} text)
  if(NOT text MATCHES "^#define PAGEALLOC_COMMIT \"${pattern}\"\n$")
    message(FATAL_ERROR "expected the commit ${pattern}, got: ${text}")
  endif()
endfunction()

function(git)
  execute_process(COMMAND ${GIT} -C ${source} -c user.name=test -c user.email=test@example.org
                          -c commit.gpgsign=false ${ARGN}
                  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# An archive unpacked inside a repository (this build folder may lie in one) has no commit.
expect("unknown")

find_program(GIT git)
if(NOT GIT)
  message("git is not installed: only the tree without git was tested")
  return()
endif()
git(init -q)
expect("unknown")  # no commit yet
file(WRITE ${source}/file "one\n")
git(add file)
git(commit -q -m one)
set(digit "[0-9a-f]")
set(hash "${digit}${digit}${digit}${digit}${digit}${digit}${digit}${digit}${digit}${digit}${digit}${digit}")
expect("${hash}")
file(READ ${output} first)
file(TIMESTAMP ${output} written "%s")
execute_process(COMMAND ${CMAKE_COMMAND} -E sleep 1.1)
expect("${hash}")
file(TIMESTAMP ${output} written_again "%s")
if(NOT written STREQUAL written_again)
  message(FATAL_ERROR "an unchanged commit must not touch the header: everything would be rebuilt")
endif()
file(WRITE ${source}/untracked "no part of the commit\n")
expect("${hash}")
file(WRITE ${source}/file "two\n")
expect("${hash}-dirty")
git(commit -q -a -m two)
expect("${hash}")
file(READ ${output} second)
if(first STREQUAL second)
  message(FATAL_ERROR "the header must follow HEAD")
endif()
