"""Actors that crash, hang and crash again while everybody else goes on copying."""
