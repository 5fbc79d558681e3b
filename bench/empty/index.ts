// A program without resources: what the engine and the language host take by themselves.
import "@pulumi/pulumi";
