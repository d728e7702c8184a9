"""The pages of deploy/docs as a site, with a reference that is made from the code: `make docs`."""
