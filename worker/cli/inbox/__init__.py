"""Commands for pushed jobs: listen, push, inbox, receive."""
