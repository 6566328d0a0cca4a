"""Many cameras from one file: read the sheet, then make what its rows say."""
