"""What tools/bench is made of. bench/README.md tells how to use it.

contenders   who takes part, which packages each needs
programs     workloads that measure themselves in one process
servers      network workloads: a server program and load_client
session      plans the runs and takes them in turns
results      what was measured: medians, ratios, the JSON file
comparison   regressions told from noise
tables       Markdown; report: the HTML page with its charts
"""
