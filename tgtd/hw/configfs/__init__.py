"""The kernel's target configuration, a tree of directories, values and links: a wish is compared with what is there."""
