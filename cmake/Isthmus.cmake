# Flags for every target of ours, and the functions that modules and tests are made with.

add_library(isthmus_flags INTERFACE)
add_custom_target(unit_tests)    # every test_NAME
add_custom_target(fuzz_targets)  # every fuzz_NAME
target_include_directories(isthmus_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(isthmus_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Woverloaded-virtual
    -fno-strict-aliasing -fstack-protector-strong)
if(ISTHMUS_WERROR)
    target_compile_options(isthmus_flags INTERFACE -Werror)
endif()
if(ISTHMUS_SANITIZE)
    target_compile_options(isthmus_flags INTERFACE
        -fsanitize=${ISTHMUS_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all
        # GCC takes what sanitizers put in for uses of unset variables and of null; the plain builds keep the warnings.
        $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized;-Wno-nonnull>)
    target_link_options(isthmus_flags INTERFACE -fsanitize=${ISTHMUS_SANITIZE})
endif()
if(ISTHMUS_SANITIZE STREQUAL "thread")
    # GCC's thread sanitizer does not know bare fences. Asio's are not needed for what it sees: handlers are ordered by the
    # scheduler's mutex.
    target_compile_definitions(isthmus_flags INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
endif()
if(ISTHMUS_FUZZ)
    target_compile_options(isthmus_flags INTERFACE -fsanitize=fuzzer-no-link)
    target_compile_definitions(isthmus_flags INTERFACE ISTHMUS_FUZZ_BUILD=1)
endif()

# isthmus_precompiled(NAME HEADER [libs...])
# HEADER, parsed once for all targets that REUSE_FROM this one. Their flags are the same; what else they define is not in it.
function(isthmus_precompiled name header)
    add_library(${name} OBJECT EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/cmake/pch/holder.cpp)
    target_link_libraries(${name} PRIVATE isthmus_flags ${ARGN})
    target_precompile_headers(${name} PRIVATE ${header})
endfunction()
isthmus_precompiled(isthmus_standard_headers ${PROJECT_SOURCE_DIR}/cmake/pch/standard.h)

# GCC takes warnings about what is in them for warnings about our code, and gains half as much.
function(isthmus_use_precompiled target headers)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
        target_precompile_headers(${target} REUSE_FROM ${headers})
    endif()
endfunction()

# isthmus_module(NAME [FOLDERS a b ...] [PUBLIC libs...] [PRIVATE libs...] [HEADERS target])
# A static library isthmus_NAME from the *.cpp of the current folder and of FOLDERS below it. HEADERS: whose precompiled headers it uses.
function(isthmus_module name)
    cmake_parse_arguments(M "" "HEADERS" "FOLDERS;PUBLIC;PRIVATE;EXCLUDE" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
    foreach(folder ${M_FOLDERS})
        file(GLOB more CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp)
        list(APPEND sources ${more})
    endforeach()
    foreach(unwanted ${M_EXCLUDE})
        list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/${unwanted})
    endforeach()
    if(NOT M_HEADERS)
        set(M_HEADERS isthmus_standard_headers)
    endif()
    if(sources)
        add_library(isthmus_${name} STATIC ${sources})
        isthmus_use_precompiled(isthmus_${name} ${M_HEADERS})
        target_link_libraries(isthmus_${name} PUBLIC isthmus_flags ${M_PUBLIC} PRIVATE ${M_PRIVATE})
    else()
        add_library(isthmus_${name} INTERFACE)
        target_link_libraries(isthmus_${name} INTERFACE isthmus_flags ${M_PUBLIC})
    endif()
endfunction()

# isthmus_unit_tests(NAME libs...): doctest executable test_NAME from every *_test.cpp at or below the current folder.
function(isthmus_unit_tests name)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_test.cpp)
    if(NOT sources)
        return()
    endif()
    add_executable(test_${name} ${sources} $<TARGET_OBJECTS:isthmus_doctest_main>)
    target_compile_definitions(test_${name} PRIVATE ISTHMUS_TEST_VECTORS="${PROJECT_SOURCE_DIR}/tests/vectors")
    target_link_libraries(test_${name} PRIVATE isthmus_flags isthmus_test_support ${ARGN})
    target_precompile_headers(test_${name} REUSE_FROM isthmus_test_headers)
    add_dependencies(unit_tests test_${name})
    add_test(NAME ${name} COMMAND test_${name})
endfunction()

# isthmus_fuzz_target(NAME SOURCE libs...): fuzz_NAME. With ISTHMUS_FUZZ a libFuzzer program; otherwise a program that
# replays the files named on its command line, so that every seed is a regression test in every build.
function(isthmus_fuzz_target name source)
    add_executable(fuzz_${name} ${source})
    target_link_libraries(fuzz_${name} PRIVATE isthmus_flags ${ARGN})
    isthmus_use_precompiled(fuzz_${name} isthmus_standard_headers)
    add_dependencies(fuzz_targets fuzz_${name})
    if(ISTHMUS_FUZZ)
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    else()
        target_sources(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/fuzz_replay_main.cpp)
        add_test(NAME fuzz_seeds_${name} COMMAND fuzz_${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/seeds/${name})
    endif()
endfunction()
