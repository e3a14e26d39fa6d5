//! Images of pages: checked, corrected, converted, and the files that damage hurts named.

mod checking;
mod converting;
mod files;
mod fixing;
mod image;
