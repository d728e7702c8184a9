"""The JSON API of the console, for programs such as a help desk."""
