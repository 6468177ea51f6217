# CMake toolchain file: builds for 64-bit ARM (Raspberry Pi 3 and later) on another Debian machine.
#
#     cmake -S . -B build/arm64 -G Ninja --toolchain cmake/aarch64.cmake -DORION_SYSROOT=DIR
#
# ORION_SYSROOT   absolute path of a folder with an arm64 Debian's headers and libraries, of the
#                 release that the compiler comes from. The environment variable of that name does
#                 as well; it is read once and kept in the cache. scripts/test-arm64 makes such a
#                 folder.
#
# Needs the Debian packages gcc-aarch64-linux-gnu and libc6-dev-arm64-cross. If qemu-user-static
# is there too, ctest runs the programs under it. QEMU_PAGESIZE=16384 in the environment of ctest
# gives them the 16 KiB pages of a Raspberry Pi 5; without it they are 4 KiB.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

set(ORION_SYSROOT "$ENV{ORION_SYSROOT}" CACHE PATH "arm64 headers and libraries")
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ORION_SYSROOT)
if(NOT IS_ABSOLUTE "${ORION_SYSROOT}" OR
   NOT IS_DIRECTORY "${ORION_SYSROOT}/usr/lib/aarch64-linux-gnu")
    message(FATAL_ERROR "ORION_SYSROOT (now \"${ORION_SYSROOT}\") must be the absolute path of a "
                        "folder with an arm64 Debian's headers and libraries: "
                        "scripts/test-arm64 makes one")
endif()
set(CMAKE_SYSROOT "${ORION_SYSROOT}")

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
# The host's own .pc files must not be found, or its libraries would be linked.
set(ENV{PKG_CONFIG_PATH} "")
set(ENV{PKG_CONFIG_LIBDIR}
    "${CMAKE_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig")
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${CMAKE_SYSROOT}")

find_program(QEMU_AARCH64 NAMES qemu-aarch64-static qemu-aarch64)
mark_as_advanced(QEMU_AARCH64)
if(QEMU_AARCH64)
    set(CMAKE_CROSSCOMPILING_EMULATOR "${QEMU_AARCH64};-L;${CMAKE_SYSROOT}")
endif()
