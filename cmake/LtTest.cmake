# lt_test(name SOURCE file.c ROOMS room ... [RANKS 1 2 3] [TIMEOUT s] [LIBS target ...] [LABELS l ...])
# A test program; with RANKS it runs once under mpirun for each number of ranks.
# Exit code 77 is a skip, and a hang is a failure.
function(lt_test name)
  cmake_parse_arguments(a "" "SOURCE;TIMEOUT" "ROOMS;RANKS;LIBS;LABELS;ARGS" ${ARGN})
  if(NOT a_TIMEOUT)
    set(a_TIMEOUT 300)
  endif()
  add_executable(${name} ${a_SOURCE})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE lt_flags ${a_LIBS})
  foreach(r ${a_ROOMS})
    target_link_libraries(${name} PRIVATE lt_${r})
  endforeach()
  if(NOT a_RANKS)
    add_test(NAME ${name} COMMAND ${name} ${a_ARGS})
    set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT ${a_TIMEOUT} LABELS "${a_LABELS}")
  endif()
  # Ranks yield while they wait, so that tests side by side do not starve each other.
  # Open MPI itself leaks at exit: LeakSanitizer is for the tests without mpirun.
  foreach(n ${a_RANKS})
    add_test(NAME ${name}.np${n} COMMAND ${MPIEXEC_EXECUTABLE} ${MPIEXEC_NUMPROC_FLAG} ${n}
             --oversubscribe $<TARGET_FILE:${name}> ${a_ARGS})
    set_tests_properties(${name}.np${n} PROPERTIES PROCESSORS ${n} SKIP_RETURN_CODE 77
      TIMEOUT ${a_TIMEOUT} LABELS "${a_LABELS}"
      ENVIRONMENT "OMPI_ALLOW_RUN_AS_ROOT=1;OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1;OMPI_MCA_rmaps_base_oversubscribe=1;OMPI_MCA_mpi_yield_when_idle=1;ASAN_OPTIONS=detect_leaks=0")
  endforeach()
endfunction()
