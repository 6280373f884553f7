"""What filling costs on this machine, beside other programs: `swapfill bench`."""
