/** Enrolments for whoever makes them beside a host: nothing of the host itself is loaded. */
export { createEnrolment, EnrolmentFault } from './people/enrolment.ts'
