# Installs the library, and what find_package(pagealloc) and pkg-config read. The harness stays where it was built.
option(PAGEALLOC_INSTALL "Install the library" ${PROJECT_IS_TOP_LEVEL})
if(NOT PAGEALLOC_INSTALL)
  return()
endif()

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The targets file is the whole package configuration: the library depends on nothing else. It also
# carries PAGEALLOC_CHECKED, so that a user's code sees the headers as the library was built.
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/pagealloc)
install(TARGETS pagealloc EXPORT pagealloc-targets
  ARCHIVE COMPONENT pagealloc
  LIBRARY COMPONENT pagealloc
  FILE_SET HEADERS COMPONENT pagealloc)
install(EXPORT pagealloc-targets NAMESPACE pagealloc:: FILE pagealloc-config.cmake
  DESTINATION ${package_dir} COMPONENT pagealloc)

# Before 1.0 a new minor version may change the interface.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/pagealloc-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/pagealloc-config-version.cmake
  DESTINATION ${package_dir} COMPONENT pagealloc)

# The same for pkg-config. The prefix is found from the file's own place, so the package can be moved;
# a program in C needs the C++ library named.
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH pc_up /${pkgconfig_dir} /)
string(REGEX REPLACE "/$" "" pc_up "${pc_up}")
if(PAGEALLOC_CHECKED)
  set(pc_checked 1)
else()
  set(pc_checked 0)
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/pagealloc.pc.in ${CMAKE_CURRENT_BINARY_DIR}/pagealloc.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/pagealloc.pc DESTINATION ${pkgconfig_dir} COMPONENT pagealloc)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT pagealloc)
