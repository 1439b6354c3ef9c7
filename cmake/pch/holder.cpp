// Holds precompiled headers for others; has nothing of its own.
