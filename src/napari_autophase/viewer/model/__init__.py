"""What the window shows and does, without Qt: scans, results, what is seen of them, and runs."""
