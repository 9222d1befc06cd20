"""One module a feature; each declares its pages in a module-level `pages = Pages()`."""
