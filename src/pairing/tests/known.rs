//! Known answers: files that any implementation can be tried on.
