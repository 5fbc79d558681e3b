// A program without resources, to measure the engine and the language host alone.
import "@pulumi/pulumi";
