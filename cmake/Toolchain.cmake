# How compilers and linkers are driven: speed of the build, nothing about the code.

# Asserts stay on everywhere but in Release; line tables are enough for backtraces and build faster than full debug info.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")

# With precompiled headers ccache needs to be told what it may overlook.
find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
        CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        add_compile_options(-fpch-preprocess)
    elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
        add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
    endif()
endif()

# lld links several times faster than GNU ld, which matters with sanitizers; GCC's link-time optimisation needs GNU ld.
find_program(LLD ld.lld)
if(LLD AND NOT CMAKE_INTERPROCEDURAL_OPTIMIZATION)
    add_link_options(-fuse-ld=lld)
endif()
