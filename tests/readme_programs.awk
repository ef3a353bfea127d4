# Writes each ```cpp block of README.md to <folder>/readme_<n>.cpp and prints the paths: awk -v folder=DIR -f ... README.md
/^```cpp$/ { ++count; file = folder "/readme_" count ".cpp"; inside = 1; printf "" > file; print file; next }
/^```$/    { if (inside) close(file); inside = 0; next }
inside     { print > file }
