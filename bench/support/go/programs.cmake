# The Go programs: one file each, and the package in this folder. Nothing is downloaded.

# The program <name> from <workload>/<contender>.go.
function(add_go_program name workload contender)
  file(GLOB shared ${CMAKE_CURRENT_SOURCE_DIR}/support/go/*.go)
  add_custom_command(OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}
    COMMAND ${CMAKE_COMMAND} -E env GOCACHE=${CMAKE_CURRENT_BINARY_DIR}/go-cache GOPROXY=off GO111MODULE=on
      ${BENCH_GO} build -trimpath -o ${CMAKE_CURRENT_BINARY_DIR}/${name} ./${workload}/${contender}.go
    DEPENDS ${shared} ${CMAKE_CURRENT_SOURCE_DIR}/go.mod ${CMAKE_CURRENT_SOURCE_DIR}/${workload}/${contender}.go
      ${CMAKE_CURRENT_SOURCE_DIR}/${workload}/config.h
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
    COMMENT "Building ${name}"
    VERBATIM)
  add_custom_target(build_${name} DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/${name})
  add_dependencies(weft_benchmarks build_${name})
endfunction()
