"""What the control plane does, one file per subject; called by routes, import, demo and command line alike."""
