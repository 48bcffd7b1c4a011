# cmake -D BUILD=... -D WORK=... -D CONSUMER=... -D CHECKED=0|1 -D GENERATOR=... -D COMPILER=...
#       -D FLAGS=... -D PKG_CONFIG=... -P TestInstall.cmake
# Installs the library from BUILD, builds and runs the project CONSUMER against it: all of it with
# find_package(), and its single files with what pkg-config says.

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
file(STRINGS ${WORK}/build/CMakeCache.txt C_COMPILER REGEX "^CMAKE_C_COMPILER:")
string(REGEX REPLACE "^[^=]*=" "" C_COMPILER "${C_COMPILER}")
if(NOT found MATCHES "${WORK}/moved/")
  message(FATAL_ERROR "find_package(pagealloc) found another package: ${found}")
endif()
step(${CMAKE_COMMAND} --build ${WORK}/build)
step(${WORK}/build/install_consumer ${CHECKED})
foreach(program consumer_heap_cc consumer_heap_c consumer_pmr)
  step(${WORK}/build/${program})
endforeach()

# pkg-config knows the moved package only.
file(GLOB_RECURSE pc ${WORK}/moved/pagealloc.pc)
get_filename_component(pc_dir "${pc}" DIRECTORY)
foreach(what cflags libs)
  execute_process(
    COMMAND ${CMAKE_COMMAND} -E env PKG_CONFIG_LIBDIR=${pc_dir} ${PKG_CONFIG} --${what} pagealloc
    OUTPUT_VARIABLE ${what} OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(${what} UNIX_COMMAND "${${what}}")
endforeach()
if(NOT cflags MATCHES "-DPAGEALLOC_CHECKED=${CHECKED}")
  message(FATAL_ERROR "pkg-config --cflags: ${cflags}")
endif()
foreach(name heap.cc pmr.cc)
  step(${COMPILER} -std=c++20 ${FLAGS} ${CONSUMER}/${name} -o ${WORK}/build/by_pkg_config ${cflags} ${libs})
  step(${WORK}/build/by_pkg_config)
endforeach()
# Without sanitizers the C compiler links it, which shows that the package names all it needs.
step(${C_COMPILER} -std=c11 -pedantic -c ${CONSUMER}/heap.c -o ${WORK}/build/heap_c.o ${cflags})
set(linker ${C_COMPILER})
if(FLAGS)
  set(linker ${COMPILER} ${FLAGS})
endif()
step(${linker} ${WORK}/build/heap_c.o -o ${WORK}/build/by_pkg_config ${libs})
step(${WORK}/build/by_pkg_config)
file(REMOVE_RECURSE ${WORK})
