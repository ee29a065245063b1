//! Defragmentation: the file copied into a new one without holes, while commits go on.
