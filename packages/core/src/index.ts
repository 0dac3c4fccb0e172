export * from './lifecycle/step.ts'
