"""Ways to run the program of a job: in containers, or as child processes."""
