"""The simulator: the systems that Intake works with, over real HTTP. It imports nothing of Intake's own.

Each simulated system is a folder; the files beside the folders are the engine that they share.
"""
