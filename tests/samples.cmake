# Whole programs as users write them, one test each. Included by tests/CMakeLists.txt.

# ---- Samples: whole user programs, compiled as a user would -----------------------------------------------------------

# A sample joins this list when the library has all it uses.
set(WEFT_SAMPLES
  01_hello
  02_gather
  03_tasks
  04_cancel_periodic
  05_lock_counter
  06_timeouts
  07_wait_as_completed
  08_select
  09_task_group
  10_async_generator
  11_async_with
  12_exit_stack
  13_run_in_executor
  14_semaphore
  15_event
  16_queue
  18_echo
  19_udp
  20_line_count
  21_rate_limiter
  22_context_vars
  23_fork_join_fib
  24_process
  26_cancel_scopes
  27_shared_state)
# These serve until they are interrupted.
set(WEFT_SERVING_SAMPLES
  17_chat_server
  25_signals)

foreach(sample IN LISTS WEFT_SAMPLES)
  add_executable(sample_${sample} samples/${sample}.cpp)
  target_link_libraries(sample_${sample} PRIVATE weft::weft)
  set_target_properties(sample_${sample} PROPERTIES CXX_EXTENSIONS OFF)
  add_test(NAME sample_${sample}
    COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/samples/check" "$<TARGET_FILE:sample_${sample}>"
            "${CMAKE_CURRENT_SOURCE_DIR}/samples/${sample}.expected")
  set_tests_properties(sample_${sample} PROPERTIES TIMEOUT 120 LABELS sample ENVIRONMENT "${weft_test_environment}")
endforeach()

foreach(sample IN LISTS WEFT_SERVING_SAMPLES)
  add_executable(sample_${sample} samples/${sample}.cpp)
  target_link_libraries(sample_${sample} PRIVATE weft::weft)
  set_target_properties(sample_${sample} PROPERTIES CXX_EXTENSIONS OFF)
  add_test(NAME sample_${sample}
    COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/samples/moment" "$<TARGET_FILE:sample_${sample}>")
  set_tests_properties(sample_${sample} PROPERTIES TIMEOUT 60 LABELS sample ENVIRONMENT "${weft_test_environment}")
endforeach()

# ---- README: its programs compile and run -------------------------------------------------------------------------------

set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/README.md")
set(weft_readme_dir "${CMAKE_CURRENT_BINARY_DIR}/readme")
file(MAKE_DIRECTORY "${weft_readme_dir}")
execute_process(
  COMMAND awk -v "folder=${weft_readme_dir}" -f "${CMAKE_CURRENT_SOURCE_DIR}/readme_programs.awk" "${PROJECT_SOURCE_DIR}/README.md"
  OUTPUT_VARIABLE weft_readme_programs OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" weft_readme_programs "${weft_readme_programs}")
foreach(source IN LISTS weft_readme_programs)
  cmake_path(GET source STEM program)
  add_executable(${program} "${source}")
  target_link_libraries(${program} PRIVATE weft::weft)
  set_target_properties(${program} PROPERTIES CXX_EXTENSIONS OFF)
  add_test(NAME ${program} COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/samples/moment" "$<TARGET_FILE:${program}>")
  set_tests_properties(${program} PROPERTIES TIMEOUT 60 LABELS sample ENVIRONMENT "${weft_test_environment}")
endforeach()

# ---- Examples: each prints what examples/<name>.expected says, or, without that file, runs for a moment ------------------

if(WEFT_BUILD_TOOLS)
  file(GLOB weft_examples CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tools/examples/*.cpp")
  file(GLOB weft_expectations CONFIGURE_DEPENDS examples/*.expected)
  foreach(source IN LISTS weft_examples)
    cmake_path(GET source STEM example)
    set(expected "${CMAKE_CURRENT_SOURCE_DIR}/examples/${example}.expected")
    set(judge "${CMAKE_CURRENT_SOURCE_DIR}/samples/moment" "$<TARGET_FILE:example_${example}>")
    if(expected IN_LIST weft_expectations)
      set(judge "${CMAKE_CURRENT_SOURCE_DIR}/samples/check" "$<TARGET_FILE:example_${example}>" "${expected}")
    endif()
    add_test(NAME example_${example} COMMAND ${judge})
    set_tests_properties(example_${example} PROPERTIES TIMEOUT 60 LABELS example ENVIRONMENT "${weft_test_environment}")
  endforeach()
endif()
