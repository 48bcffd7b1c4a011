# cmake -D BUILD=... -D WORK=... -D CONSUMER=... -D CHECKED=0|1 -D GENERATOR=... -D COMPILER=...
#       -D FLAGS=... -P TestInstall.cmake
# Installs the library from BUILD, builds and runs the project CONSUMER against it.

function(step)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE ${WORK})
step(${CMAKE_COMMAND} --install ${BUILD} --component pagealloc --prefix ${WORK}/staged)
# Nothing in the package may name the place that it was installed to first.
file(RENAME ${WORK}/staged ${WORK}/moved)

step(${CMAKE_COMMAND} -S ${CONSUMER} -B ${WORK}/build -G ${GENERATOR}
     -D CMAKE_PREFIX_PATH=${WORK}/moved -D CMAKE_FIND_USE_PACKAGE_REGISTRY=OFF
     -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_CXX_FLAGS=${FLAGS})
file(STRINGS ${WORK}/build/CMakeCache.txt found REGEX "^pagealloc_DIR:")
if(NOT found MATCHES "${WORK}/moved/")
  message(FATAL_ERROR "find_package(pagealloc) found another package: ${found}")
endif()
step(${CMAKE_COMMAND} --build ${WORK}/build)
step(${WORK}/build/install_consumer ${CHECKED})
file(REMOVE_RECURSE ${WORK})
