"""What is seen now: a scan or the results, the run in progress, and what is drawn over them."""
