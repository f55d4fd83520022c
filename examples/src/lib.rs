//! Programs that run on the stack; see the examples of this package.
