# The tokio and rayon programs: one cargo package in the build directory, made from the sources here and Debian's crates.
# Nothing is downloaded. All are one executable that does what its name says, since link-time optimisation of tokio takes
# longer than everything else.

set(bench_cargo_dir ${CMAKE_CURRENT_BINARY_DIR}/cargo)
set(bench_rust_programs "" CACHE INTERNAL "")

# The program <name> from <workload>/<contender>.rs.
function(add_rust_program name workload contender)
  set(bench_rust_programs ${bench_rust_programs} "${name}=${workload}/${contender}.rs" CACHE INTERNAL "")
endfunction()

# Writes the package; to be called after the last add_rust_program().
function(build_rust_programs)
  set(manifest [[
[package]
name = "weft-bench"
version = "0.1.0"
edition = "2021"

[dependencies]
async-channel = "1"
libc = "0.2"
rayon = "1"
tokio = { version = "1", features = ["full"] }

[profile.release]
opt-level = 3
lto = "fat"
codegen-units = 1
panic = "abort"

]])
  string(APPEND manifest "[lib]\nname = \"bench\"\npath = \"${CMAKE_CURRENT_SOURCE_DIR}/support/tokio/lib.rs\"\n"
    "\n[[bin]]\nname = \"programs\"\npath = \"programs.rs\"\n")
  file(GLOB sources ${CMAKE_CURRENT_SOURCE_DIR}/support/tokio/*.rs ${CMAKE_CURRENT_SOURCE_DIR}/*/config.h)
  set(modules "")
  set(names "")
  set(links "")
  foreach(program IN LISTS bench_rust_programs)
    string(REPLACE "=" ";" parts ${program})
    list(GET parts 0 name)
    list(GET parts 1 source)
    string(APPEND modules "#[path = \"${CMAKE_CURRENT_SOURCE_DIR}/${source}\"]\nmod ${name};\n")
    string(APPEND names "        Some(\"${name}\") => ${name}::main(),\n")
    list(APPEND sources ${CMAKE_CURRENT_SOURCE_DIR}/${source})
    list(APPEND links COMMAND ${CMAKE_COMMAND} -E create_symlink ${bench_cargo_dir}/target/release/programs
      ${CMAKE_CURRENT_BINARY_DIR}/${name})
  endforeach()
  file(CONFIGURE OUTPUT ${bench_cargo_dir}/programs.rs @ONLY CONTENT "${modules}
fn main() {
    let program = std::env::args().next().unwrap_or_default();
    match program.rsplit('/').next() {
${names}        _ => panic!(\"no program is called {program}\"),
    }
}
")
  file(CONFIGURE OUTPUT ${bench_cargo_dir}/Cargo.toml CONTENT "${manifest}" @ONLY)

  # malloc is replaced by linking mimalloc, as in the C++ programs; Rust's allocator calls malloc.
  set(flags "")
  if(bench_allocator)
    set(flags "\"-Clink-arg=-Wl,--no-as-needed\", \"-Clink-arg=$<TARGET_FILE:${bench_allocator}>\"")
  endif()
  file(GENERATE OUTPUT ${bench_cargo_dir}/.cargo/config.toml CONTENT
"[source.crates-io]
replace-with = \"debian\"
[source.debian]
directory = \"${BENCH_CRATES}\"
[build]
rustc = \"${BENCH_RUSTC}\"
rustflags = [${flags}]
")
  add_custom_command(OUTPUT ${bench_cargo_dir}/built
    COMMAND ${BENCH_CARGO} build --release --offline --quiet
    ${links}
    COMMAND ${CMAKE_COMMAND} -E touch built
    DEPENDS ${sources} ${bench_cargo_dir}/Cargo.toml ${bench_cargo_dir}/programs.rs ${bench_cargo_dir}/.cargo/config.toml
    WORKING_DIRECTORY ${bench_cargo_dir}
    COMMENT "Building the Rust contenders"
    VERBATIM)
  add_custom_target(bench_rust DEPENDS ${bench_cargo_dir}/built)
  add_dependencies(weft_benchmarks bench_rust)
endfunction()
