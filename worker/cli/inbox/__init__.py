"""Commands about pushed jobs: listen, push, inbox, receive."""
